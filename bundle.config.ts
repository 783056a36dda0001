import { defineConfig } from "vite";

/** Entries of `dist/bundle`; src/machine/node-bundle.ts says what they are for. */
export default defineConfig({
  build: {
    ssr: true,
    target: "node24",
    outDir: "dist/bundle",
    // A program may be running.
    emptyOutDir: false,
    rollupOptions: {
      input: {
        cli: "dist/src/cli/command-line.js",
        guest: "dist/src/machine/node-guest-worker.js",
        translator: "dist/src/machine/node-translator-worker.js",
      },
      output: { entryFileNames: "[name]/index.js", chunkFileNames: "chunks/[name].js" },
    },
  },
  logLevel: "warn",
});
