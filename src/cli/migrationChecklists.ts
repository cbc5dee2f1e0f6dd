/** What the operator has to do around a move of keys, which no program can see to (KEYS-3). */

export const SPLIT_CHECKLIST = `
Before the first node starts, in this order:
  1. Stop what signed with these keys until now, on every machine, for good.
  2. Was anything signed after the slashing history was exported? Then delete this cluster,
     export again and split again.
  3. Delete the whole keys from that machine and from this one, and their backups too once
     the cluster works: whoever holds one can sign, and be slashed, without the cluster.
  4. Wait two epochs (13 minutes) after step 1, and see on a block explorer that none of the
     validators attests.
  5. Give each operator one of the data directories over a safe channel, delete it here, and
     start the nodes.
Not checked: that the history is complete, that the keys are no longer used elsewhere.
`;

export const COMBINE_CHECKLIST = `
Before the keys are used, in this order:
  1. Stop the nodes of ALL operators, for good: t of them sign without you.
  2. Was anything signed after the slashing history was exported? Then export again and
     combine again.
  3. Wait two epochs (13 minutes) after step 1, and see on a block explorer that none of the
     validators attests.
  4. Import slashing-protection.json into the new validator client BEFORE the keystores.
  5. Start it with doppelganger protection, on one machine only.
  6. Have every operator delete the key shares, backups included.
Not checked: that the other operators' nodes stand still, and that the history holds what
they signed lately. It covers the data directories given here and the history file.
`;
