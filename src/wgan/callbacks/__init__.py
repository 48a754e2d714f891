"""What happens around the iterations: records, pictures, progress."""
