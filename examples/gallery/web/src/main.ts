import { ConvexClient } from "convex/browser";
import type { FunctionReturnType } from "convex/server";
import { ConvexError } from "convex/values";
import { api } from "../../convex/_generated/api";
import type { Id } from "../../convex/_generated/dataModel";

// The page is static files, so which server it talks to is said in its address: /?server=https://gallery.example.com
const server = new URLSearchParams(location.search).get("server") ?? "http://127.0.0.1:3210";
const client = new ConvexClient(server);

type Picture = FunctionReturnType<typeof api.pictures.list>[number];

const pictures = document.querySelector<HTMLOListElement>("#pictures")!;
const form = document.querySelector<HTMLFormElement>("#upload")!;
const status = form.querySelector("output")!;

// The whole list comes again whenever anything in it changes.
client.onUpdate(api.pictures.list, {}, (list) => pictures.replaceChildren(...list.map(show)));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const file = data.get("file") as File;
  status.textContent = "Uploading…";
  try {
    const upload = await client.mutation(api.pictures.uploadUrl, {});
    const answer = await fetch(upload, { method: "POST", body: file, headers: { "Content-Type": file.type } });
    if (!answer.ok) throw new Error(`The upload was answered ${answer.status}.`);
    const { storageId } = (await answer.json()) as { storageId: Id<"_storage"> };
    await client.mutation(api.pictures.add, { title: String(data.get("title")), file: storageId });
    form.reset();
    status.textContent = "";
  } catch (error) {
    status.textContent = error instanceof ConvexError ? String(error.data) : String(error);
  }
});

function show(picture: Picture): HTMLElement {
  const item = document.createElement("li");
  item.dataset.id = picture._id;
  const image = document.createElement("img");
  image.src = picture.url ?? "";
  image.alt = picture.title;
  item.append(image, element("h2", picture.title), element("p", about(picture), "facts"));
  for (const { author, text } of picture.comments) item.append(element("p", `${author}: ${text}`, "comment"));
  return item;
}

function about({ facts, problem }: Picture): string {
  if (problem !== undefined) return problem;
  if (facts === undefined) return "being looked at…";
  const size = new Intl.NumberFormat("en", { style: "unit", unit: "byte", notation: "compact" }).format(facts.bytes);
  return [facts.format, `${facts.width} × ${facts.height}`, size, facts.caption].filter((part) => part !== undefined).join(", ");
}

function element(name: string, text: string, className = ""): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}
