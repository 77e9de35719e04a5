"""The command line. One module for each group of commands; whatever is heavy is imported inside the command that needs it."""
