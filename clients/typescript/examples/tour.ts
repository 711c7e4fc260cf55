import { createPlimsollClient, violationsOf, watchContainers } from "@plimsoll/client";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:1876";
const { service, containers } = createPlimsollClient({ baseUrl, namespace: "default" });

// A page of containers; specs only if asked for.
const page = await service.listContainers({ filters: ["labels.team==core"], pageSize: 10 });
for (const container of page.containers) {
  console.log(container.id, container.image, container.labels);
}

// A change that the rules deny, and everything they have against it.
try {
  await containers.update({ container: { id: "web", labels: { team: "nobody" } }, updateMask: { paths: ["labels.team"] } });
} catch (error) {
  const { reason, violations } = violationsOf(error);
  console.log(reason);
  for (const violation of violations) {
    console.log(`${violation.field}: ${violation.message}; ${violation.fix}`);
  }
}

// What there is, and then every change, even if the connection breaks in between.
for await (const { step } of watchContainers(service, { snapshot: true })) {
  if (step.case === "snapshot") {
    console.log("watching", step.value.containers.length, "containers");
    await containers.update({ container: { id: "web", labels: { tier: "front" } }, updateMask: { paths: ["labels.tier"] } });
  } else if (step.case === "commit") {
    console.log("changed", step.value.events.flatMap((event) => event.changed));
    break;
  }
}
