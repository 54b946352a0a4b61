"""Our customers and their points of delivery, and which provider holds each."""
