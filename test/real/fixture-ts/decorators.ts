const log: string[] = [];

function named(name: string) {
  return (target: any, key?: string | symbol, index?: any): any => {
    log.push(`${name} ${String(key)} ${typeof index}`);
  };
}

@named("class")
export class Decorated {
  @named("field") field = 1;
  @named("static") static count = 0;

  constructor(@named("parameter") private value: string) {}

  @named("method")
  method(@named("argument") text: string): string {
    return text + this.value;
  }

  @named("accessor")
  get size(): number {
    return this.value.length;
  }
}

export { log };
