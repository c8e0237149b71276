"""What numerical checks find: the verdict, and the checks of derivatives of any function."""
