"""The provider's own offers: drafted here, published at the Market Place."""
