"""OAuth on the B2B listener: what `authserver` needs stored, and the addresses it is reached at."""
