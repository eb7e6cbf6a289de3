"""What hooks are told about requests and responses."""
