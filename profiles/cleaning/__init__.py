"""What people and exports wrote, in one shape each.

    cell      what cleaning a value comes to, and every reason there is, in both languages
    texts     blanks, full-width forms, what cannot be seen; texts that say nothing
    amounts   money and other numbers
    moments   dates and times
    days      the same, where the day came before
    contacts  phones and e-mail addresses

Every cleaner takes any value, never raises, and leaves alone what it once gave back.
"""
