"""Results kept up to date: versions beside each other, the last one that passed its checks published, changes told."""
