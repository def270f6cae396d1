"""What a request may do: its target, route, key, objects and body, decided on in this order."""
