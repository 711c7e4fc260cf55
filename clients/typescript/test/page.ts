// The web page of the browser test: it tells the stories to the server that its
// address names, and what became of them in its title.

import { createPlimsollClient } from "@plimsoll/client";
import { tellContainers, tellService } from "./story.js";

const baseUrl = new URLSearchParams(location.search).get("server")!;
let result = "";
for (const protocol of ["connect", "grpc-web"] as const) {
  for (const tell of [tellContainers, tellService]) {
    const told = await tell(createPlimsollClient({ baseUrl, namespace: `page-${protocol}`, protocol })).then(() => "ok", String);
    result += `${protocol} ${tell.name}: ${told}\n`;
  }
}
document.body.textContent = result;
document.title = "done";
