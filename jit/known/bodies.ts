import { crc32 } from "./crc32.js";
import type { KnownBody } from "./known-body.js";
import { sha256 } from "./sha256.js";

export type BodyName = "crc32" | "sha256";

export const KNOWN_BODIES: Readonly<Record<BodyName, KnownBody>> = { crc32, sha256 };
