import { parseImage, type ElfImage } from "./elf/image.js";
import { GojitError } from "./errors.js";
import { readGoMetadata, type GoMetadata } from "./go/metadata.js";

/** A Go program that gojit can run. */
export interface Program {
  /** The whole file. */
  readonly bytes: Uint8Array;
  readonly image: ElfImage;
  readonly go: GoMetadata;
}

/** Reads a program and decides whether it can run. @throws GojitError saying why it cannot. */
export function openProgram(bytes: Uint8Array): Program {
  const image = parseImage(bytes);
  const go = checkProgram(readGoMetadata(image));
  return { bytes, image, go };
}

/**
 * Checks what a sound executable's metadata say. A program above the baseline would ask CPUID at its start and end if
 * an instruction set is missing; this says so better.
 * @throws GojitError
 */
export function checkProgram(go: GoMetadata | undefined): GoMetadata {
  if (!go)
    throw new GojitError(
      "not-go",
      "this is no Go program, or its function table is damaged; only programs that go build made can run.",
    );
  const level = go.amd64Level.replace(/,.*/, "");
  if (level !== "v1") {
    throw new GojitError(
      "needs-newer-cpu",
      `the program was built for GOAMD64=${level}, and gojit's CPU is v1; build it with GOAMD64=v1, the default.`,
    );
  }
  return go;
}
