-- Markdown in the outputs of a notebook, which pandoc hands on as it is.
function RawBlock(block)
  if block.format == "markdown" then return pandoc.read(block.text, "markdown").blocks end
end
