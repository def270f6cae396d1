"""What the gate tells about itself while it works."""
