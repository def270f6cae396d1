"""How the endpoints of an upstream are found."""
