"""What runs when: shards, slots, actors, and how long it will still take."""
