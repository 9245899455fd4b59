"""The shell on HTTP: reads profiles, serves them live.  It never writes a profile."""
