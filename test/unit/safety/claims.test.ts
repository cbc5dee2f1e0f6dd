import { test } from "node:test";
import { CLAIMS, PRODUCT } from "../../support/safetyClaims.ts";

for (const [claim, check] of Object.entries(CLAIMS)) {
  test(claim, () => check(PRODUCT));
}
