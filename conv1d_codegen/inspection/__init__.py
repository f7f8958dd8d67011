"""Kernels explained: what one computes, by which plan and why, and what bounds its speed.

assembly.py             instructions by what they do, and the innermost loop
throughput.py           the least cycles of a loop, by the ports of a core
census.py               how often a kernel's statements run, for sizes that are known
padding.py              which output steps lack taps, drawn to scale
plan_words.py           what each word of a plan's line says
registers.py            which vector registers the innermost loop uses, and for what
windows.py              what Cook–Toom saves, and where its error comes from
object_code.py          how large the parts of an object file are
facts.py                all that is known of a kernel, as numbers and words
explain.py              from a compilation to its explanation
measure.py              a kernel's time beside the limits of the core
pass_log.py             what each pass changed, with its reason, time and size
interpreted.py          a kernel's value after each pass
command.py              what the command line prints of the passes
explanation.py          `Explanation`: facts that print as text and show as HTML
wording.py              facts as a document
document.py             sections of paragraphs, tables and listings
text.py                 a document as plain text,
terminal.py             on a terminal, in colours,
html.py                 and as HTML
units.py                numbers as people read them
origins.py              which loop each line of LLVM IR comes from, and each instruction
page.py                 a page of HTML about a kernel, or two beside each other
page_data.py            what it shows, as plain data
page_tiles.py           the tiles of the output, by going through the loops
page_facts.py           facts in a few words each, for two kernels beside each other
page_roofline.py        the limits of a core, and where a kernel lies under them
"""
