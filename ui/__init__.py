"""The browser interface: Gradio over the service. Nothing here imports torch."""
