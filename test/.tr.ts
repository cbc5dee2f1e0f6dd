import { writeFileSync } from "node:fs";
const { Simulator } = await import("../sim/simulator.ts"); const { CALM } = await import("../sim/scenario.ts");
const sc={...CALM,name:"demo",validators:10,slots:32,faults:[{kind:"crash",nodes:[2],at:4.1,for:3},{kind:"partition",groups:[[0,1],[2,3]],at:12,for:2.4},{kind:"loss",rate:0.3,at:18,for:4},{kind:"beacon-offline",nodes:[1],at:24,for:3}]} as any;
const lines:string[]=[]; const s=new Simulator({seed:3,scenario:sc}); const h={kind:"run",seed:"3",commit:"abc",preset:"minimal",command:"coterie sim --seed 3 --scenario <demo> & \"x\"",options:{},scenario:s.scenario};
const r=await s.run({onTrace:l=>lines.push(l)}); writeFileSync("/tmp/mc/demo.jsonl",JSON.stringify(h)+"\n"+lines.join("")); console.log(r.violations.slice(0,3), r.verdicts);
