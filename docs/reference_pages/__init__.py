"""The generated reference pages: each module makes one, as text, from the code it describes."""
