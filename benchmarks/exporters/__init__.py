"""What exporters write, read by jachess and compared with automatic differentiation of the original."""
