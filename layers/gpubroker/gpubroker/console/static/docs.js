// Swagger UI over this host's own document. A token of this tab, if there is one, is filled in.
"use strict";

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  onComplete() {
    const token = sessionStorage.getItem("access_token");
    if (token) ui.preauthorizeApiKey("bearer", token);
  },
});
