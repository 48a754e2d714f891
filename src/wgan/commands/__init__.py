"""What is done with a finished run, and errors in one line."""
