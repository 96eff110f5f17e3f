"""What is to be done about a finding.

``model``     the keys of a policy file, their types and defaults
``document``  YAML with the place of every key and value
``load``      a pack's name or a file -> a Policy, or every mistake in it at once
``decide``    statement + facts + policy -> Verdict, pure
``allow``     ``SET interlock.allow`` and ``/* interlock: allow … */``
``schema``    JSON Schema for editors
"""
