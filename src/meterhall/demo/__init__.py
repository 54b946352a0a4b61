"""The demo: a Market Place, three grid operators and an energy service company on one machine, on real meters."""
