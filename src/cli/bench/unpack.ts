import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { brotliDecompressSync } from "node:zlib";

/**
 * Unpacks a program into a cache directory under the system's temporary directory.
 * Safe in parallel: the file appears under its final name only when it is complete.
 * @param packedFile path of the program, compressed with brotli
 * @param name what its file's name begins with; it ends in a hash of the content
 * @returns the path of an executable file
 * @throws the file system's error when there is no such file or the directory cannot be written
 */
export function unpackProgram(packedFile: string, name: string): string {
  const packed = readFileSync(packedFile);
  const key = createHash("sha256").update(packed).digest("hex").slice(0, 12);
  const dir = path.join(tmpdir(), `gojit-guests-${process.getuid?.() ?? "user"}`);
  const file = path.join(dir, `${name}-${key}`);
  if (existsSync(file)) return file;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const part = `${file}.${process.pid}.${Date.now()}.part`;
  try {
    writeFileSync(part, brotliDecompressSync(packed));
    chmodSync(part, 0o755);
    renameSync(part, file);
  } finally {
    rmSync(part, { force: true });
  }
  return file;
}
