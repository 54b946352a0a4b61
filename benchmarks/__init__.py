"""Measurements of Meterhall as ratios against named baselines. A baseline is taken in the same run, in turns with what
it is held against: absolute figures move with the machine, ratios much less."""
