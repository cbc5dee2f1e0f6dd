import { blstScheme } from "../../sim/keys.ts";
import { transparentScheme } from "../../sim/transparentBls.ts";
import { testBls } from "./bls.ts";

testBls("BLS on the curve", blstScheme());
testBls("transparent BLS", transparentScheme);
