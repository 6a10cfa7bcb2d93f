# Sourced by xonsh when the environment is activated.
if "ACTIVATION_DEMO_HOME" in __xonsh__.env:
    $ACTIVATION_DEMO_FORMER_HOME = $ACTIVATION_DEMO_HOME
$ACTIVATION_DEMO_HOME = $CONDA_PREFIX + "/share/activation-demo"
aliases["activation_demo_greet"] = lambda: $[cat @($ACTIVATION_DEMO_HOME + "/greeting.txt")]
