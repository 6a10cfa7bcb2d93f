# Sourced when the environment is deactivated: undoes what activate.xsh did.
if "ACTIVATION_DEMO_FORMER_HOME" in __xonsh__.env:
    $ACTIVATION_DEMO_HOME = $ACTIVATION_DEMO_FORMER_HOME
    del $ACTIVATION_DEMO_FORMER_HOME
elif "ACTIVATION_DEMO_HOME" in __xonsh__.env:
    del $ACTIVATION_DEMO_HOME
if "activation_demo_greet" in aliases:
    del aliases["activation_demo_greet"]
