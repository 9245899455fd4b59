"""What the ``mien`` commands do, one file a task.  ``streams.cli`` names them; nothing else imports them."""
