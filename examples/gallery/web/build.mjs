// Bundles the page into dist/, or into the folder that --out names. --serve shows it at http://127.0.0.1:8000 and builds
// anew when a file is saved.

import { cp } from "node:fs/promises";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";

const { values } = parseArgs({ options: { out: { type: "string", default: "dist" }, serve: { type: "boolean", default: false } } });

const context = await esbuild.context({
  entryPoints: ["src/main.ts", "src/style.css"],
  bundle: true,
  outdir: values.out,
  format: "esm",
  target: "es2022",
  minify: !values.serve,
  sourcemap: true,
  define: { "process.env.NODE_ENV": values.serve ? '"development"' : '"production"' },
  // The functions' addresses are in ../convex, which may have no packages of its own.
  nodePaths: ["node_modules"],
  logLevel: "warning",
});
await context.rebuild();
await cp("index.html", `${values.out}/index.html`);
if (values.serve) {
  await context.watch();
  const { port } = await context.serve({ servedir: values.out, host: "127.0.0.1", port: 8000 });
  console.log(`the gallery is at http://127.0.0.1:${port}/`);
} else {
  await context.dispose();
}
