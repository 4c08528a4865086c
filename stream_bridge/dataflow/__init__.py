"""The bridge on Google Cloud Dataflow: Beam's own sources, the same steps, sinks from workers."""
