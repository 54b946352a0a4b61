"""The Market Place: it enrols players, shows offers, finds providers, makes contracts and keeps the log. No reading."""
