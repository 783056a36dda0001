/** Real Go programs inside npm packages: one for each Go release line, as DESIGN.md section 5 lists them. */
export interface Program {
  readonly kind: "esbuild" | "app-builder" | "tsgo";
  /** The program's own version; it chooses the cases. */
  readonly version: string;
  /** Go version that built it. */
  readonly go: string;
  /** npm package with version. */
  readonly package: string;
  /** Path of the executable inside the package. Its whole directory is unpacked. */
  readonly file: string;
}

function esbuild(go: string, name: string, version: string): Program {
  return { kind: "esbuild", version, go, package: `${name}@${version}`, file: "bin/esbuild" };
}

function appBuilder(go: string, version: string): Program {
  return { kind: "app-builder", version, go, package: `app-builder-bin@${version}`, file: "linux/x64/app-builder" };
}

const tsgoVersion = "7.0.0-dev.20260707.2";

export const programs: readonly Program[] = [
  appBuilder("1.12.7", "3.4.2"),
  esbuild("1.13.8", "esbuild-linux-64", "0.1.0"),
  esbuild("1.14.2", "esbuild-linux-64", "0.6.0"),
  esbuild("1.15.7", "esbuild-linux-64", "0.8.40"),
  esbuild("1.16.3", "esbuild-linux-64", "0.11.23"),
  esbuild("1.17.6", "esbuild-linux-64", "0.14.21"),
  esbuild("1.18.1", "esbuild-linux-64", "0.14.39"),
  esbuild("1.19.3", "esbuild-linux-64", "0.15.18"),
  esbuild("1.20.12", "@esbuild/linux-x64", "0.21.5"),
  appBuilder("1.21.1", "4.2.0"),
  esbuild("1.22.5", "@esbuild/linux-x64", "0.23.1"),
  esbuild("1.23.12", "@esbuild/linux-x64", "0.25.12"),
  esbuild("1.25.7", "@esbuild/linux-x64", "0.27.7"),
  esbuild("1.26.5", "@esbuild/linux-x64", "0.28.2"),
  {
    kind: "tsgo",
    version: tsgoVersion,
    go: "1.26.4",
    package: `@typescript/native-preview-linux-x64@${tsgoVersion}`,
    file: "lib/tsgo",
  },
];
