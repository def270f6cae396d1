"""What several tests share: real servers as processes, a raw client and a scripted upstream."""
