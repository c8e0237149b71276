"""What people ask afterwards: opening, query, validation."""
