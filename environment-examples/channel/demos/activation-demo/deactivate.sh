# Sourced when the environment is deactivated: undoes what activate.sh did.
if [ -n "${ACTIVATION_DEMO_FORMER_HOME+set}" ]; then
    export ACTIVATION_DEMO_HOME="$ACTIVATION_DEMO_FORMER_HOME"
    unset ACTIVATION_DEMO_FORMER_HOME
else
    unset ACTIVATION_DEMO_HOME
fi
unset -f activation_demo_greet
