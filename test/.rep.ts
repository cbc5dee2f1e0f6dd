import { readFileSync, writeFileSync } from "node:fs";
import { RunReader } from "../sim/report/runModel.ts";
import { runPage } from "../sim/report/runPage.ts";
const [inp,out]=process.argv.slice(2);
const r=new RunReader(); for(const l of readFileSync(inp!,"utf8").split("\n")) r.takeLine(l);
writeFileSync(out!,runPage(r.model()));
