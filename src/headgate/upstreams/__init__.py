"""One upstream while the gate runs: its endpoints are found, probed, asked and balanced over."""
