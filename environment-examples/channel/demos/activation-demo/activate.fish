# Sourced by fish when the environment is activated.
if set -q ACTIVATION_DEMO_HOME
    set -gx ACTIVATION_DEMO_FORMER_HOME $ACTIVATION_DEMO_HOME
end
set -gx ACTIVATION_DEMO_HOME "$CONDA_PREFIX/share/activation-demo"
function activation_demo_greet
    cat "$ACTIVATION_DEMO_HOME/greeting.txt"
end
