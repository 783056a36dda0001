/** A headless Chromium with the built page open in it. */
import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { build, type InlineConfig, type Plugin, preview, type PreviewServer } from "vite";
import { gojit } from "../../src/vite.js";
import { projectRoot, unpack } from "../guests/unpack.js";

/** Where Debian, and then others, put Chromium; GOJIT_CHROMIUM names another. */
const EXECUTABLES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Quiet, and without a word to any other machine. */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface OpenPage {
  readonly page: Page;
  close(): Promise<void>;
}

/** Builds the page with Vite, serves it on loopback, and opens it. */
export async function openPage(): Promise<OpenPage> {
  const executablePath = process.env["GOJIT_CHROMIUM"] ?? EXECUTABLES.find((name) => existsSync(name));
  if (!executablePath) throw new Error("no Chromium here: apt-get install chromium, or name one in GOJIT_CHROMIUM");
  const config = viteConfig();
  await build(config);
  const server = await preview(config);
  const profile = mkdtempSync(path.join(tmpdir(), "gojit-chromium-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
  const page = await context.newPage();
  page.on("console", (message) => console.log(`page: ${message.text()}`));
  page.on("pageerror", (error) => console.log(`page: ${error.stack ?? error.message}`));
  await page.goto(server.resolvedUrls!.local[0]!);
  await page.waitForFunction(() => "runGuest" in globalThis);
  return { page, close: () => close(context, server, profile) };
}

async function close(context: BrowserContext, server: PreviewServer, profile: string): Promise<void> {
  await context.close();
  await server.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 2 });
}

const viteConfig = (): InlineConfig => ({
  configFile: false,
  root: path.join(projectRoot, "test", "browser", "page"),
  logLevel: "error",
  plugins: [gojit(), guestExecutables],
  build: { outDir: path.join(projectRoot, "dist", "test", "browser", "page-build"), emptyOutDir: true },
  preview: { host: "127.0.0.1", port: 0 },
});

/** Answers /guests/VERSION/NAME with a guest's executable. */
const guestExecutables: Plugin = {
  name: "guest-executables",
  configurePreviewServer(server) {
    server.middlewares.use((request, response, next) => {
      const match = /^\/guests\/([\d.]+)\/(guests|hello)$/.exec(request.url ?? "");
      if (match) createReadStream(unpack(match[1]!, match[2] as "guests" | "hello")).pipe(response);
      else next();
    });
  },
};
