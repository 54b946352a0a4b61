"""The messages of the exchange, as published in the platforms' OpenAPI: the models here *are* the API's schemas."""
