import { expect, test } from "vitest";
import { TranslationChannel } from "../jit/channel.js";

test("a translator is in demand at once, or from so many offers on, and one thread starts it", () => {
  const channel = new TranslationChannel(TranslationChannel.allocate());
  expect(channel.isInDemand).toBe(true);
  channel.startAfter(3);
  const other = new TranslationChannel(channel.buffer);
  for (const from of [channel, other, channel]) {
    expect(from.isInDemand).toBe(false);
    from.offer(0x401000);
  }
  expect(other.isInDemand).toBe(true);
  expect([other.claimStart(), channel.claimStart()]).toEqual([true, false]);
});

test("offers ask for a translator even where so many wait that they are forgotten", () => {
  const channel = new TranslationChannel(TranslationChannel.allocate());
  channel.startAfter(256);
  for (let pc = 0; pc < 10_000; pc++) channel.offer(pc);
  expect(channel.isInDemand).toBe(true);
});
