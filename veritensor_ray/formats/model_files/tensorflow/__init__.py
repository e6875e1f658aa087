"""TensorFlow graphs: SavedModel, MetaGraph, GraphDef and the metadata that Keras stores beside them."""
